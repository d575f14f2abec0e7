// Filled by the first landing of KvasirTokenizers.
