"""The table of benchmarks and of the scores that each of them is known by."""

from __future__ import annotations

from pytest_vlmrobust.core.scores.rules import CATEGORY, GROUP, Benchmark, Score

_ACCURACY = Score(name="accuracy", says="share of the questions that are right")

_THREE_D_MAINS = ("height", "location", "orientation", "multi_object")


def _three_d_main(category: str) -> str:
    """The main category of one of 3DSRBench's twelve types, which begins with its name."""
    return next((main for main in _THREE_D_MAINS if category.startswith(f"{main}_")), category)


_TABLE = (
    Benchmark(
        # Ma et al. 2024, arXiv 2412.07825. The benchmark's own script reports the circular
        # scores, others the plain mean: two scores of one run that are often taken for each other.
        name="3dsrbench",
        scores=(
            Score(name="vanilla", says="share of the rows that are right"),
            Score(
                name="flip",
                says="share of the questions that are right on the image and on its mirror image",
                unit=(GROUP, "roll"),
            ),
            Score(
                name="circular",
                says="share of the questions that are right in every order of the options",
                unit=(GROUP, "flip"),
            ),
            Score(
                name="flip_circular",
                says="share of the questions that are right in every order, on image and mirror image",
                unit=(GROUP,),
            ),
        ),
        parts=("main", CATEGORY),
        derived={"main": _three_d_main},
    ),
    Benchmark(
        # Liu et al. 2023, arXiv 2307.06281 (CircularEval).
        name="mmbench",
        scores=(
            Score(
                name="circular",
                says="share of the questions that are right in every order of the options",
                unit=(GROUP,),
            ),
            Score(name="vanilla", says="share of the rows that are right"),
        ),
        parts=("l2_category", CATEGORY),
    ),
    Benchmark(
        # Tong et al. 2024, arXiv 2406.16860: 1/2 (1/2 (ADE20K + COCO) + Omni3D).
        name="cv-bench",
        scores=(
            Score(
                name="combined",
                says="half the 2D score and half the 3D score",
                over="source",
                weights={"ADE20K": 0.25, "COCO": 0.25, "Omni3D": 0.5},
            ),
            Score(
                name="2d",
                says="mean of the accuracies on ADE20K and on COCO",
                over="source",
                weights={"ADE20K": 0.5, "COCO": 0.5},
                partial=True,
            ),
            Score(
                name="3d",
                says="accuracy on Omni3D",
                over="source",
                weights={"Omni3D": 1.0},
                partial=True,
            ),
            _ACCURACY,
        ),
        parts=("source", CATEGORY),
    ),
    Benchmark(
        # Kamath, Hessel and Chang 2023, arXiv 2310.19785. Only A and B come in sets.
        name="whatsup",
        scores=(
            Score(name="individual", says="share of the images whose caption is found"),
            Score(
                name="pair",
                says="share of the pairs of opposite relations of which both captions are found",
                unit=(GROUP, "pair"),
            ),
            Score(
                name="set",
                says="share of the sets of four images of which all captions are found",
                unit=(GROUP,),
            ),
        ),
        parts=("subset", CATEGORY),
    ),
    Benchmark(
        # Wu and Xie 2023, arXiv 2312.14135. The mean of its types is not the overall score: one type has
        # half as many questions again as the other.
        name="vstar",
        scores=(
            Score(name="overall", says="share of all questions that are right"),
            Score(name="type_mean", says="mean of the accuracies of the types", over=CATEGORY),
        ),
    ),
    Benchmark(
        # Zhang et al. 2024, arXiv 2408.13257.
        name="mme-realworld-lite",
        scores=(Score(name="overall", says="share of all questions that are right"),),
        parts=("task", "l2_category", CATEGORY),
    ),
    Benchmark(
        # Chen et al. 2024, arXiv 2403.20330.
        name="mmstar",
        scores=(
            Score(name="axis_mean", says="mean of the accuracies of the axes", over="l2_category"),
            Score(name="category_mean", says="mean of the accuracies of the categories", over=CATEGORY),
            _ACCURACY,
        ),
        parts=(CATEGORY, "l2_category"),
    ),
    Benchmark(
        # Fu et al. 2024, arXiv 2404.12390.
        name="blink",
        scores=(
            Score(name="task_mean", says="mean of the accuracies of the sub-tasks", over=CATEGORY),
            _ACCURACY,
        ),
    ),
    Benchmark(
        # Guan et al. 2023, arXiv 2310.14566.
        name="hallusionbench",
        scores=(
            Score(name="all_accuracy", says="share of the questions that are right (aAcc)"),
            Score(
                name="question_accuracy",
                says="share of the questions that are right on each of their figures (qAcc)",
                unit=(GROUP, "question"),
            ),
            Score(
                name="figure_accuracy",
                says="share of the figures all of whose questions are right (fAcc)",
                unit=(GROUP, "figure"),
            ),
        ),
    ),
    *(
        Benchmark(name=name, scores=(_ACCURACY,))
        for name in ("spatial-mm", "sat", "pixmo-count", "geometry3k", "realworldqa")
    ),
)

BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in _TABLE}
"""Every benchmark that has scores of its own, by name."""
