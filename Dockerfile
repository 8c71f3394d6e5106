# The app of docker-compose.yml, set up by the same steps as `make run`; the database is a server of its own.
FROM debian:12-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl gcc git libc6-dev libegl-mesa0 libgl1-mesa-dri make \
        python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 citymap \
    && install -d -o citymap -g citymap /srv/citymap /var/lib/citymap

USER citymap
WORKDIR /srv/citymap

# A PostGIS of one's own: the set-up leaves PostgreSQL out.
ENV DATABASE_URL=given-when-it-runs PYTHONUNBUFFERED=1

COPY --chown=citymap setup setup
COPY --chown=citymap requirements requirements
RUN sh setup/environment.sh

COPY --chown=citymap . .
RUN sh setup/install.sh run

VOLUME /var/lib/citymap
EXPOSE 8000
CMD [".venv/bin/citymap", "serve"]
