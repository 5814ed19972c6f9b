"""What is around a decision: what is usual for whom it is about, what came before and after it, and who is linked."""
