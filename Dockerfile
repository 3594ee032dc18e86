# The plugin in an image: for the Job in deploy/, or wherever there is no Python.
#
#   docker build --tag kubectl-glasskube-purge:0.1.0 .

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /src
# The same locked versions, by their hashes, that the archives are made of; and what the wheel is built with.
COPY krew/requirements.txt krew/wheel-requirements.txt ./
RUN python -m venv --without-pip /opt/purge \
    && python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary=:all: \
        --requirement wheel-requirements.txt \
    && /opt/build/bin/pip --python /opt/purge/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary=:all: --requirement requirements.txt
COPY pyproject.toml hatch_build.py README.md CHANGELOG.md LICENSE ./
COPY kubectl_glasskube_purge kubectl_glasskube_purge
COPY docs/man docs/man
RUN /opt/build/bin/pip wheel --no-cache-dir --no-index --no-build-isolation --no-deps --wheel-dir /wheel . \
    && /opt/build/bin/pip --python /opt/purge/bin/python install --no-cache-dir --no-index --no-deps /wheel/*.whl \
    && find /opt/purge -name __pycache__ -prune -exec rm -rf {} + \
    && /opt/purge/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/purge/lib

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
LABEL org.opencontainers.image.title="kubectl-glasskube-purge" \
      org.opencontainers.image.description="Removes Glasskube from a Kubernetes cluster" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/purge /opt/purge
COPY LICENSE /usr/share/doc/kubectl-glasskube-purge/LICENSE
ENV PATH=/opt/purge/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["kubectl-glasskube-purge"]
