"""Super tickets: how far can a pre-trained encoder be cut before it gets worse, or better?

snakemake --cores all results/figures/phase_transition.pdf
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

# Another folder (--directory), or another workflow that uses this one as a module, may have a config of its own.
DEFAULT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)) / "config.yaml"


configfile: "config.yaml" if Path("config.yaml").is_file() else str(DEFAULT)


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/accidents.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/single_task.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/multi_task.smk"
include: "workflow/rules/adaptation.smk"
include: "workflow/rules/latency.smk"
include: "workflow/rules/int8.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/submission.smk"
include: "workflow/rules/export.smk"


localrules:
    all,
    fetch_all,


onstart:
    check_writable()
    check_times()
    name_other_versions()


onsuccess:
    give_up_deleted(Path("results"))


onerror:
    report_errors()
    report_full_disk()


rule all:
    input:
        get_everything,


rule fetch_all:
    input:
        get_downloads,


run_groups_in_one_process()
