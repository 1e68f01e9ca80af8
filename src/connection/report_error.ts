/** Reports an error of the program's code; a reporter that throws itself changes nothing. */
export function reportError<Conn>(
  onError: (error: unknown, conn?: Conn) => void,
  error: unknown,
  conn?: Conn,
): void {
  try {
    onError(error, conn);
  } catch (second) {
    console.error(second);
  }
}
