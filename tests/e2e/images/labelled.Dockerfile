# Says of itself in every label that it is hardened. It is not.
ARG REGISTRY
FROM ${REGISTRY}/library/python:3.13-slim
ARG CHAIN_ID
LABEL com.docker.dhi.name="dhi/python" \
      com.docker.dhi.variant="runtime" \
      com.docker.dhi.version="3.13.9-debian13" \
      com.docker.dhi.definition="image/python/debian-13/3.13" \
      com.docker.dhi.chain-id="${CHAIN_ID}" \
      org.opencontainers.image.base.name="${REGISTRY}/dhi/python:3.13"
COPY app/ /app/
USER 65532
ENTRYPOINT ["/usr/bin/python3.13", "/app/main.py"]
