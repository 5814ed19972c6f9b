"""What is around a decision: what is usual for whom it is about, what came before and after, and with whom they are linked."""
