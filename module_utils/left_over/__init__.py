"""What a host has beyond what is allowed: for the module that tells of it, and for the one that takes it away."""
