"""Whether digits are a phone number: by the numbering plans that `phonenumbers` holds."""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneMetadata


def is_international(digits: str) -> bool:
    """Digits after a + that some country's plan has room for."""
    return accepted(phonenumbers.is_possible_number, "+" + digits)


def is_valid_international(digits: str) -> bool:
    """Digits after a + that are valid in their country's plan."""
    return accepted(phonenumbers.is_valid_number, "+" + digits)


def is_national(digits: str, regions: tuple[str, ...]) -> bool:
    """Whether digits are valid as one writes them within one of the regions (`all`: of the world)."""
    return any(
        accepted(phonenumbers.is_valid_number, digits, region)
        for region, pattern in plans(regions)
        if pattern.fullmatch(digits)
    )


def is_short(digits: str, regions: tuple[str, ...]) -> bool:
    """Whether these eight digits are a number of one of the regions that have no longer ones."""
    eight = tuple(region for region, _ in plans(regions) if has_eight(region))
    return len(digits) == 8 and bool(eight) and is_national(digits, eight)


@lru_cache
def has_eight(region: str) -> bool:
    plan = PhoneMetadata.metadata_for_region(region)
    return bool(not plan.national_prefix and plan.mobile and 8 in plan.mobile.possible_length)


@lru_cache
def plans(regions: tuple[str, ...]) -> list[tuple[str, re.Pattern]]:
    """Regions, each with a cheap pattern that no valid number of it fails."""
    if "all" in regions:
        regions = tuple(sorted(phonenumbers.SUPPORTED_REGIONS))
    found = []
    for region in regions:
        plan = PhoneMetadata.metadata_for_region(region)
        prefix, rule = plan.national_prefix_for_parsing, plan.national_prefix_transform_rule
        number = plan.general_desc.national_number_pattern
        pattern = rf"(?:{plan.country_code})?(?:{prefix or ''})?(?:{number})"
        found.append((region, re.compile(r"\d+" if rule else pattern)))
    return found


def accepted(check, digits: str, region: str | None = None) -> bool:
    try:
        return check(phonenumbers.parse(digits, region))
    except phonenumbers.NumberParseException:
        return False
