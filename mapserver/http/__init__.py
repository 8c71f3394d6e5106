"""The doors on the wire: hot GETs as bare ASGI, problems, links and rights."""
