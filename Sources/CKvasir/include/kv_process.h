// What a program can do about its own memory.
#ifndef KV_PROCESS_H
#define KV_PROCESS_H

// Lets go of the pages of program and library code that are in memory: what is still needed comes back from the system's
// file cache at its next use, what only the start of the program needed stays out. Nothing happens where the system cannot.
void kv_release_code(void);

#endif
