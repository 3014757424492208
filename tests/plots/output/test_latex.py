import pytest

from fedbytes.plots import summary, to_latex
from fedbytes.plots.testing.sample_tables import sample_tables

FRAME = summary(sample_tables(seeds=(0, 1, 2), rounds=4))


def rows(text):
    return [line for line in text.splitlines() if "&" in line]


def test_columns_stand_in_the_order_asked_for():
    text = to_latex(FRAME, columns=["Codec", "Total", "Final"])
    assert "\\begin{tabular}{lrr}" in text
    assert rows(text)[0].startswith("Codec & Total & Final test accuracy (\\%)")
    assert {line.count("&") for line in rows(text)} == {2}


def test_an_unknown_column_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="no column 'Totl'; did you mean 'Total'"):
        to_latex(FRAME, columns=["Totl"])


def test_the_best_of_each_setting_is_bold_and_nothing_else():
    text = to_latex(FRAME, columns=["Codec", "Final", "Total"], bold_best=True)
    plain = to_latex(FRAME, columns=["Codec", "Final", "Total"])
    assert text.replace("\\textbf{", "").replace("} &", " &").replace("} \\\\", " \\\\") == plain
    bold = [line.split(" & ") for line in rows(text)[1:]]
    for _, own in FRAME.reset_index(drop=True).groupby("setting", sort=False):
        best, cheapest = own["value"].max(), own["total_bytes"].min()
        for place, row in own.iterrows():
            assert ("\\textbf" in bold[place][1]) == (row["value"] == best)
            assert ("\\textbf" in bold[place][2]) == (row["total_bytes"] == cheapest)


def test_less_is_better_for_perplexity():
    frame = FRAME.assign(metric="perplexity")
    text = rows(to_latex(frame, columns=["Codec", "Final"], bold_best=True))[1:]
    for _, own in frame.reset_index(drop=True).groupby("setting", sort=False):
        for place, row in own.iterrows():
            assert ("\\textbf" in text[place]) == (row["value"] == own["value"].min())


def test_bytes_to_a_target_that_some_seeds_miss_do_not_compete():
    frame = FRAME.reset_index(drop=True)
    first = frame["setting"] == frame["setting"].iloc[0]
    frame = frame[first].assign(bytes_to_target=range(1, 1 + first.sum()), reached=3, seeds=3)
    frame.loc[frame.index[0], "reached"] = 2
    lines = rows(to_latex(frame, columns=["Codec", "To target"], bold_best=True))[1:]
    assert ["\\textbf" in line for line in lines[:2]] == [False, True]


def test_caption_and_label_make_a_table_of_it():
    text = to_latex(FRAME, caption="100 % of R8", label="tab:r8")
    assert text.startswith(
        "\\begin{table}\n\\centering\n\\caption{100 \\% of R8}\n\\label{tab:r8}\n"
    )
    assert text.endswith("\\end{tabular}\n\\end{table}\n")
    assert "\\label" not in to_latex(FRAME)


def test_metrics_and_baselines_that_are_nearly_right_are_named():
    from fedbytes.plots.tables.comparison import check_baseline, compare_codecs

    tables = sample_tables(seeds=(0,), rounds=2)
    with pytest.raises(ValueError, match="metric 'acuracy'; did you mean 'accuracy'"):
        compare_codecs(tables, "acuracy")
    with pytest.raises(ValueError, match="called 'fp23'; did you mean 'fp32'"):
        check_baseline(tables, "fp23")
