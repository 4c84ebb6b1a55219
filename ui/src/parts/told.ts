// What became of a change is told where the eye is: a notice, green or red.
import { notifications } from "@mantine/notifications";

/** Wait for a change; tell that it is done, or why not. Returns whether it is. */
export async function told(change: Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await change;
  } catch (error) {
    notifications.show({
      color: "red",
      title: "This did not work",
      message: error instanceof Error ? error.message : String(error),
      autoClose: 10_000,
    });
    return false;
  }
  if (done) {
    notifications.show({ color: "teal", message: done });
  }
  return true;
}
