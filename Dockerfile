# docker build --build-arg UID="$(id -u)" -t causalmer .
# docker run --rm --gpus all -v "$PWD:/home/causalmer/work" causalmer 0 NAME 1 DATASET --data_path ../work/data --checkpoint_path ../work
# Without a GPU: docker build --build-arg BASE=ubuntu:24.04 --build-arg CAUSALMER_TORCH=cpu -t causalmer .
ARG BASE=nvidia/cuda:12.6.3-base-ubuntu24.04
FROM ${BASE}
ARG CAUSALMER_TORCH=
# That of the user who mounts folders into the container.
ARG UID=1000
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* && useradd --create-home --non-unique --uid "${UID}" causalmer
USER causalmer
WORKDIR /home/causalmer/CausalMER
COPY --chown=causalmer environment.sh requirements.txt requirements.lock ./
RUN CAUSALMER_TORCH="${CAUSALMER_TORCH}" bash -euc 'source environment.sh'
COPY --chown=causalmer . .
ENTRYPOINT ["bash", "main.sh"]
