"""One outside system per module, each turning foreign errors into the errors of `webhook.ports`."""
