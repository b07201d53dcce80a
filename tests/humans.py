"""What people's answers to CREMA-D's test clips are worth, modality by modality: `python -m tests.humans VOTES.csv`.

The share of test clips (the last 20 actors) whose intended emotion most of those named who heard the voice, saw the
face, or both, a tie counting in part; from these the Shapley values of voice and face, as `--contributions` has them of
a model. The sentence is worth nothing: all twelve are spoken in every emotion.
"""

import argparse
from pathlib import Path

import pandas

from src.datasets.convert.crema_d import CONDITIONS, TEST, VOTES


def right(votes: pandas.DataFrame) -> dict[str, float]:
    """condition -> share of clips that are named right by it alone."""
    names = votes["fileName"].str.split("_", expand=True)
    judged = votes[list(VOTES.values())]
    best = judged.eq(judged.max(axis=1), axis=0)
    named = [best.at[row, VOTES[emotion]] / best.loc[row].sum() for row, emotion in names[2].items()]
    condition = votes[votes.columns[0]].astype(str).str[0].map(CONDITIONS)
    return pandas.Series(named, votes.index).groupby(condition).mean().to_dict()


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("votes", type=Path)
    votes = pandas.read_csv(parser.parse_args().votes)
    actors = votes["fileName"].str.split("_").str[0]
    found = right(votes[actors.isin(sorted(actors.unique())[-TEST:])])
    nothing = 1 / len(VOTES)
    voice, face, both = (100 * (found[name] - nothing) for name in ("audio", "vision", "both"))
    print(f"named right: voice {100 * found['audio']:.1f}, face {100 * found['vision']:.1f}, both "
          f"{100 * found['both']:.1f}, by chance {100 * nothing:.1f}\n"
          f"Shapley values: sentence 0.0, voice {(voice + both - face) / 2:.1f}, face {(face + both - voice) / 2:.1f}")


if __name__ == "__main__":
    main()
