"""The whole way on one machine: a platform and a gateway on loopback, and a study sent through them."""
