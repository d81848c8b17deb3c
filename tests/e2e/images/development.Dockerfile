# The last stage was forgotten: what runs is the variant with shell and package manager.
ARG REGISTRY
FROM ${REGISTRY}/dhi/python:3.13-dev
COPY app/ /app/
ENTRYPOINT ["/usr/bin/python", "/app/main.py"]
