# docker build -t muster .
# BASE and RUN_BASE are arguments so that the tests can build from a root of their own, without any registry.
ARG BASE=debian:12
ARG RUN_BASE=debian:12-slim

FROM ${BASE} AS build
WORKDIR /src
COPY deploy/install-deps.sh deploy/
RUN sh deploy/install-deps.sh build
COPY . .
RUN make -j"$(nproc)" DEPS=build B=/out && make DEPS=build B=/out DESTDIR=/image install && strip /image/usr/local/bin/muster

FROM ${RUN_BASE}
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates tzdata libmicrohttpd12 \
        libssl3 libjansson4 libcurl4 libyaml-0-2 libsqlite3-0 libexpat1 >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && useradd --uid 10001 --no-create-home --home-dir /var/lib/muster --shell /usr/sbin/nologin muster \
    && install -d -o muster -g muster -m 0700 /var/lib/muster
COPY --from=build /image/ /
COPY deploy/healthcheck.sh /usr/local/bin/muster-healthcheck
USER 10001
WORKDIR /var/lib/muster
VOLUME /var/lib/muster
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["bash", "/usr/local/bin/muster-healthcheck"]
ENTRYPOINT ["muster"]
CMD ["serve"]
