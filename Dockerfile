# docker build -t causalmer . && docker run --rm --gpus all -v "$PWD/data:/home/causalmer/CausalMER/data" causalmer
# Without a GPU: docker build --build-arg BASE=ubuntu:24.04 --build-arg CAUSALMER_TORCH=cpu -t causalmer .
ARG BASE=nvidia/cuda:12.6.3-base-ubuntu24.04
FROM ${BASE}
ARG CAUSALMER_TORCH=
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* && useradd --create-home causalmer
USER causalmer
WORKDIR /home/causalmer/CausalMER
COPY --chown=causalmer environment.sh requirements.txt requirements.lock ./
RUN CAUSALMER_TORCH="${CAUSALMER_TORCH}" bash -euc 'source environment.sh'
COPY --chown=causalmer . .
ENTRYPOINT ["bash", "main.sh"]
