internal import CKvasir

/// Memory of the process that is nobody's in particular.
public enum ProcessMemory {
    /// Lets go of the code that is in memory; what is still needed comes back at its next use.
    ///
    /// Starting a program runs through megabytes of code that are never needed again. For programs, not for libraries: a
    /// debugger's breakpoints are lost. Nothing happens on systems other than Linux.
    public static func releaseCode() { kv_release_code() }
}
