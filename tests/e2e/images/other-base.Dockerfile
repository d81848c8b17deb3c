# Built with the hardened base, but what runs stands on somebody else's.
ARG REGISTRY
FROM ${REGISTRY}/dhi/python:3.13-dev AS build
COPY app/ /build/

FROM ${REGISTRY}/library/python:3.13-slim
COPY --from=build /build/ /app/
USER 65532
ENTRYPOINT ["/usr/bin/python3.13", "/app/main.py"]
