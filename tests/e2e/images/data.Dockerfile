# Data for an image volume: there is no program in it.
FROM scratch
ARG RELEASE=1
LABEL org.opencontainers.image.version=${RELEASE}
COPY app/ /data/
