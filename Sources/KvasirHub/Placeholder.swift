// Filled by the first landing of KvasirHub.
