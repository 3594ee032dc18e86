"""TLS, proxies, credentials and the HTTP session that carries the requests."""
