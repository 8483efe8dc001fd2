# Moot over stdin and stdout, with the embedded model: docker run -i --rm -v moot:/data -e OPENAI_API_KEY moot
# Over HTTP, once somebody has a token (docker run --rm -v moot:/data moot tokens add NAME):
#   docker run --init -p 127.0.0.1:4747:4747 -v moot:/data -e OPENAI_API_KEY moot serve --http --host 0.0.0.0 --port 4747 --no-detach
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
RUN pip install --no-cache-dir uv==0.13.8
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/moot
WORKDIR /src
# What Moot needs is installed before its own code is copied: the layer outlives every change of the code.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-default-groups --group local --extra cluster --extra memory --extra pictures --extra prometheus --no-install-project
COPY README.md LICENSE ./
COPY build_hooks/ build_hooks/
COPY moot/ moot/
COPY server/ server/
COPY tools/ tools/
COPY core/ core/
COPY ai/ ai/
RUN uv sync --frozen --no-default-groups --group local --extra cluster --extra memory --extra pictures --extra prometheus --no-editable

FROM python:${PYTHON}-slim
# libgomp1 is what the embedded model is linked against; Debian keeps only the newest build, so none can be named.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home moot \
    && install --directory --owner=moot --mode=0700 /data
COPY --from=build /opt/moot /opt/moot
ENV PATH=/opt/moot/bin:$PATH MOOT_HOME=/data
USER 10001
WORKDIR /home/moot
VOLUME /data
EXPOSE 4747
# Of a server over HTTP ask /ready instead, as release/compose.yaml does: the doctor looks at the installation.
HEALTHCHECK --interval=5m --timeout=30s --start-period=30s CMD ["moot", "doctor"]
ENTRYPOINT ["moot"]
CMD ["serve"]
