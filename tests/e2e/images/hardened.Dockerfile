# The way it should be: built in the development variant, run on the runtime variant of the same base.
ARG REGISTRY
FROM ${REGISTRY}/dhi/python:3.13-dev AS build
COPY app/ /build/

FROM ${REGISTRY}/dhi/python:3.13
ARG RELEASE=1
LABEL org.opencontainers.image.version=${RELEASE}
COPY --from=build /build/ /app/
ENTRYPOINT ["/usr/bin/python", "/app/main.py"]
