internal import CKvasir

/// The memory of this process that is allocated and freed in small and large pieces.
public enum Heap {
    /// Gives what was freed and is kept for later back to the system; does nothing where there is no way to.
    ///
    /// For measuring memory: what one measurement freed would count in the next.
    public static func trim() { kv_heap_trim() }
}
