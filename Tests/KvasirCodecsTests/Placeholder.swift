// Filled by the first landing of KvasirCodecs.
