"""The service: requests come in, are decided over one log, and can be read again.

`decider.Decider` is where log, state and clock meet; `app.Service` is the application that speaks HTTP for it. Import
from the modules: what a program does not use, such as the web framework, is then not loaded.
"""
