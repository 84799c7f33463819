"""The only code that knows the cloud: brings captures there, once, whatever the network does."""
