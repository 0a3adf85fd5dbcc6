"""The keeper: holds the hash secret in memory for the processes that need it, and keeps the gateway's certificate fresh.

states     what a keeper can be, as a table      notice     run/keeper.json: what it says of itself
page       memory that is never written to disk  door       the Unix socket, for this user's processes
client     the other end of it                   steps      what is due with the platform
main       the role
"""
