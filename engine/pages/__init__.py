"""What people see: the design that the platform's pages and the gateway's calculator share."""
