"""What a spool and its surroundings look like to somebody who knows what the gateway would do with each thing in them."""
