/** Names of this city's layers that the rooms are about; everything else comes out of the catalogue. */
export const WARDS = "wards";
export const LINKS = "area_links";
export const LINES = "reform_lineage";
export const OLD_WARDS = "wards_before_2025_07";
export const PETITIONS = "petitions";
export const PETITIONS_BY_WARD = "petitions_by_ward";
export const PETITIONS_PUBLIC = "petitions_public";
export const INDICATOR_VALUES = "indicator_values";
export const INDICATORS = "indicator_definitions";
/** The first day of the wards of today, and the last of those before. */
export const REFORM = "2025-07-01";
export const EVE = "2025-06-30";
