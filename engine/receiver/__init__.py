"""The C-STORE SCP: PS3.8's acceptor on uvloop, with a native P-DATA path and durable acknowledgement."""
