# syntax=docker/dockerfile:1
# The plugin in an image: for the Job in deploy/, or wherever there is no Python.
#
#   docker build --tag kubectl-glasskube-purge:0.1.0 .

FROM python:3.13-slim AS build
WORKDIR /src
# The same locked versions, by their hashes, that the archives are made of.
COPY krew/requirements.txt ./
RUN python -m venv /opt/purge \
    && /opt/purge/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary=:all: \
        --requirement requirements.txt
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY kubectl_glasskube_purge kubectl_glasskube_purge
COPY docs/man docs/man
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --wheel-dir /wheel . \
    && /opt/purge/bin/pip install --no-cache-dir --no-index --no-deps /wheel/*.whl \
    && /opt/purge/bin/pip uninstall --yes --quiet pip \
    && find /opt/purge -name __pycache__ -prune -exec rm -rf {} + \
    && /opt/purge/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/purge/lib

FROM python:3.13-slim
LABEL org.opencontainers.image.title="kubectl-glasskube-purge" \
      org.opencontainers.image.description="Removes Glasskube from a Kubernetes cluster" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/purge /opt/purge
COPY LICENSE /usr/share/doc/kubectl-glasskube-purge/LICENSE
ENV PATH=/opt/purge/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["kubectl-glasskube-purge"]
