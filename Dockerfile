# docker build --target cpu --build-arg TORCH_INDEX=<index with CPU wheels of torch> -t vos:cpu .
# docker build --target cuda -t vos:cuda .
# docker run --rm -v $PWD:/data -v vos-cache:/cache:ro vos:cpu batch run /data/videos.jsonl -o /data/out
#
# The image holds no weights and opens no connection: fetch them once into the volume that is mounted at /cache
#   docker run --rm -e VOS_OFFLINE=0 -v vos-cache:/cache vos:cpu models download mobile-sam

FROM python:3.11-slim AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY vos vos
COPY cli cli
COPY configs configs
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim AS base
# What OpenCV loads.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 vos \
    && mkdir /cache \
    && chown vos /cache
ENV VOS_HOME=/cache \
    HF_HOME=/cache/huggingface \
    VOS_OFFLINE=1 \
    HF_HUB_OFFLINE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /data

FROM base AS cpu
ARG TORCH_INDEX=""
# Before the program: another version of it leaves this layer as it is.
RUN if [ -n "$TORCH_INDEX" ]; then pip install --no-cache-dir torch torchvision --index-url "$TORCH_INDEX"; fi
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[cloud]"
# By number, so that Kubernetes can tell that it is not root.
USER 1000
# exec form: SIGTERM reaches the program itself.
ENTRYPOINT ["vos"]

FROM base AS cuda
# The wheels of torch for Linux bring the CUDA libraries; the driver comes from the host (--gpus all).
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[cloud]"
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000
ENTRYPOINT ["vos"]
