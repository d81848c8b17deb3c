# All files of the hardened base, in a layer of our own: nothing proves any more where they are from.
ARG REGISTRY
FROM ${REGISTRY}/dhi/python:3.13 AS base

FROM scratch
COPY --from=base / /
COPY app/ /app/
USER 65532
ENTRYPOINT ["/usr/bin/python", "/app/main.py"]
