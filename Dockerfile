# One image, three commands: web (the default), worker and beat; see docker-compose.yml.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 VAR_DIR=/var/lib/gosend

RUN useradd --system --uid 10001 --home-dir /srv/gosend gosend \
    && install -d -o gosend -g gosend -m 0700 /var/lib/gosend
WORKDIR /srv/gosend

COPY requirements.txt .
RUN pip install --disable-pip-version-check --root-user-action ignore -r requirements.txt

COPY . .
RUN python -m compileall -q accounts gosend messaging templates_app webhooks_app

USER gosend
VOLUME /var/lib/gosend
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "16", "--respawn-failed-workers", "--workers-kill-timeout", "35", "gosend.wsgi:application"]
