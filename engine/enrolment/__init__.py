"""The gateway's side of enrolment: a key made here, a certificate for it from the platform, and what is kept of both.

token       what an administrator hands over      request   key pair and certificate request
folder      where the identity lies               pinned    the first connection, verified by the token
platform    later connections, by mutual TLS      enrol     the steps, in their order
"""
