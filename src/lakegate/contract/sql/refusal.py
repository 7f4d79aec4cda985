"""SQL that the gate does not judge although it is well known, and why."""

from __future__ import annotations

__all__ = ["REFUSED", "reason"]

_CLOCK = "it reads the clock, and the gate gives the same verdict whenever it is asked"
_RANDOM = "it gives another answer each time"
_MANY = "it needs more than one record"
_LIBM = "its last digit depends on the C library; of a square write x * x"
_REGEX = "it matches the whole text or a part of it by DuckDB's version; write regexp_matches"
_ZONE = "it depends on the database of time zones"
_UNICODE = "it depends on the version of Unicode"
_UNSTABLE = "it may change with DuckDB's version"
_ERRORS = "it stops the query or hides that it stopped"

_NAMES: dict[str, str] = {
    _CLOCK: """
        now current_timestamp current_date current_time today get_current_timestamp get_current_time
        transaction_timestamp localtimestamp localtime age current_localtimestamp current_localtime
    """,
    _RANDOM: """
        random rand setseed uuid gen_random_uuid uuidv4 uuidv7 nextval currval
    """,
    _MANY: """
        count sum avg min max median mode stddev stddev_pop stddev_samp variance var_pop var_samp
        quantile quantile_cont approx_count_distinct string_agg list array_agg group_concat listagg
        first last any_value arg_min arg_max bool_and bool_or row_number rank dense_rank lag lead
        ntile
    """,
    _LIBM: """
        exp ln log log2 log10 sin cos tan asin acos atan atan2 cot sinh cosh tanh cbrt degrees
        radians gamma lgamma power pow
    """,
    _REGEX: """
        ~ regexp
    """,
    _ZONE: """
        timezone to_timestamp make_timestamptz strptime
    """,
    _UNICODE: """
        reverse nfc_normalize strip_accents length_grapheme left_grapheme right_grapheme
        substring_grapheme
    """,
    _UNSTABLE: """
        hash md5 sha1 sha256 typeof version format printf jaccard jaro_similarity
        jaro_winkler_similarity levenshtein damerau_levenshtein list_distinct list_sort cardinality
        fmod date_sub datesub epoch epoch_ms epoch_ns
    """,
    _ERRORS: """
        error try
    """,
}
REFUSED: dict[str, str] = {
    name: reason for reason, names in _NAMES.items() for name in names.split()
}


def reason(name: str) -> str | None:
    """Why a function is not judged at the gate; None if nothing is known of it."""
    return REFUSED.get(name)
