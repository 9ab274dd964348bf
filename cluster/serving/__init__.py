"""Translation over HTTP by Ray Serve: an endpoint that takes an image and returns one, and a page to try it on."""
