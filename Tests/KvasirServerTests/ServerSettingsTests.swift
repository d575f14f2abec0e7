#if Server
import KvasirServer
import Testing

struct ServerSettingsTests {
    @Test func aServerIsForItsOwnMachineByDefault() {
        #expect(ServerSettings().host == "127.0.0.1")
        #expect(ServerSettings().apiKey == nil)
    }
}
#endif
