/// The index of the right choice as a JSON integer; anything else is an error that names its field.
struct IntegerLabel: Decodable {
    let value: Int

    init(from decoder: any Decoder) throws {
        guard let value = try? decoder.singleValueContainer().decode(Int.self) else {
            throw DecodingError.typeMismatch(
                Int.self, .init(codingPath: decoder.codingPath, debugDescription: "no integer"))
        }
        self.value = value
    }
}
