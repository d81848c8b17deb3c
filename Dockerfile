# The gate's image: built in the development variant of a Docker Hardened Image, run on the runtime variant of the same.
# How to build, pin and reproduce it: docs/operations.md, "The image".
ARG BUILD_BASE=dhi.io/python:3.13-debian13-dev
ARG RUNTIME_BASE=dhi.io/python:3.13-debian13

FROM ${BUILD_BASE} AS build
# The same bytes from the same sources: sets have one order. Times are the builder's: see the document.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
WORKDIR /source

# Pip works from outside, so that neither environment holds it. An index of your own is named by the secret `pip.conf`,
# and vouched for by the secret `index-ca.pem`, which are there for this step only. Nothing is built from source: no
# code that was downloaded runs here, but that of the locked build tools.
COPY requirements/ requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=index-ca.pem,target=/etc/index-ca.pem \
    install() { python3 -m pip --python "$1/bin/python3" --disable-pip-version-check install --quiet --no-cache-dir \
      --no-compile --only-binary=:all: --require-hashes --requirement "$2"; } \
 && python3 -m venv --without-pip /tools \
 && python3 -m venv --without-pip /opt/dhi-gate \
 && install /tools requirements/build.txt \
 && install /opt/dhi-gate requirements/runtime.txt

COPY LICENSE README.md pyproject.toml ./
COPY webhook/ webhook/
RUN /tools/bin/python3 -m hatchling build --target wheel --directory /wheel \
 && python3 -m pip --python /opt/dhi-gate/bin/python3 --disable-pip-version-check install --quiet --no-cache-dir \
      --no-compile --no-index --no-deps /wheel/*.whl

# What the gate never imports, and would be half of the image: the generated models and APIs of the Kubernetes client,
# which are loaded by name only, its asyncio twin, a second backend of zstandard, vectors of tests. Programs of libraries
# go too. Bytecode is never compared with its source again: the root is read-only, and times would differ.
RUN cd /opt/dhi-gate/lib/python3.*/site-packages \
 && rm -r kubernetes/aio zstandard/_cffi.*.so securesystemslib/_vendor/ed25519/test_data \
 && find kubernetes/client/api kubernetes/client/models -name '*.py' ! -name __init__.py -delete \
 && rm -rf /opt/dhi-gate/include /opt/dhi-gate/.gitignore \
 && find /opt/dhi-gate/bin -type f ! -name dhi-gate ! -name kubectl-dhi_gate -delete \
 && /opt/dhi-gate/bin/python3 -m compileall -q --invalidation-mode unchecked-hash "$PWD" \
 && chmod -R u=rwX,go=rX /opt/dhi-gate

FROM ${RUNTIME_BASE}
ARG VERSION=0.1.0
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="dhi-gate" \
      org.opencontainers.image.description="A Kubernetes admission gate: an image runs only if someone you trust signed it and it provably stands on an approved Docker Hardened Image." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
# Owned by root, so that the gate cannot change itself.
COPY --from=build --chown=0:0 /opt/dhi-gate /opt/dhi-gate
# The whole path, whatever the base says: credential helpers are mounted into /usr/local/bin.
ENV PATH=/opt/dhi-gate/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1
WORKDIR /
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["dhi-gate"]
CMD ["--help"]
