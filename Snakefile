"""Super tickets: how far can a pre-trained encoder be cut before it gets worse, or better?

snakemake --cores all results/figures/phase_transition.pdf
"""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/common_accidents.smk"
include: "workflow/rules/common_search.smk"
include: "workflow/rules/common_multi_task.smk"
include: "workflow/rules/common_adaptation.smk"
include: "workflow/rules/common_resources.smk"
include: "workflow/rules/common_report.smk"
include: "workflow/rules/common_submit.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/single_task.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/multi_task.smk"
include: "workflow/rules/adaptation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/submit.smk"


localrules:
    all,
    fetch_all,


onstart:
    check_writable()


onsuccess:
    tidy_up(locks=2)  # of inputs and outputs


onerror:
    tell_of_a_full_disk()
    tidy_up(locks=2)


rule all:
    input:
        get_everything,
        "results/scores.parquet",


rule fetch_all:
    input:
        get_downloads,


# Last: it names all rules.
include: "workflow/rules/cluster.smk"
