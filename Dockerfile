# The service on a CPU: docker build -t weakspot . && docker run -e WEAKSPOT_TOKEN=... -p 127.0.0.1:8000:8000 weakspot
FROM python:3.12-slim

# The default builds of PyTorch are gigabytes, for CUDA. Those for a CPU are in an index of PyTorch's own: name it by
# --build-arg TORCH_INDEX=...
ARG TORCH_INDEX=""
RUN pip install --no-cache-dir torch torchvision ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}

COPY pyproject.toml README.md LICENSE /src/
COPY src /src/src
RUN pip install --no-cache-dir "/src[web,onnx]" && rm -rf /src

RUN useradd --create-home --uid 10001 weakspot && install -d -o weakspot /cache
USER weakspot
WORKDIR /home/weakspot
# Graphs that were exported, code that numba compiled, fonts that matplotlib found.
ENV WEAKSPOT_CACHE=/cache/weakspot NUMBA_CACHE_DIR=/cache/numba MPLCONFIGDIR=/cache/matplotlib PYTHONUNBUFFERED=1
# ONNX Runtime does not report its use.
ENV ORT_DISABLE_TELEMETRY=1
VOLUME /cache

EXPOSE 8000
STOPSIGNAL SIGTERM
# The first start exports the model.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# Whoever reaches the port has to show the token: without WEAKSPOT_TOKEN the service does not start.
ENTRYPOINT ["weakspot", "serve", "--host", "0.0.0.0"]
CMD ["tf_efficientnet_lite0"]
