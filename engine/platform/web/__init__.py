"""The pages for people: made on the server, with a little script on top that no page needs."""
