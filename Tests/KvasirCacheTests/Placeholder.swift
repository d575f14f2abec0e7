// Filled by the first landing of KvasirCache.
