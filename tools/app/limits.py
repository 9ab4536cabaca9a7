"""How much may come in. Past these, a request is refused with a sentence, and nothing grows."""

BODY = 2_000_000  # bytes of a request or an uploaded file
UNPACKED = 20_000_000  # bytes of an uploaded file when it is no longer compressed
CONVERSATIONS = 100  # of one request
CHARACTERS = 100_000  # of one conversation, cleaned
WAITING = 512  # conversations in the queue
SECONDS = 60  # in which a request's body must be here
SHOWN = 20  # conversations of one upload that the page summarises
TOKEN = 16  # characters that a token has at least
